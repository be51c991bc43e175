"""`/account/`: what each person who signs in may see and end."""

from django.urls import path

from authz.console.account import access_requests, agents, invitation, servers, sign_ins
from authz.sign_in import demanded_factor

urlpatterns = [
    path("", agents.account, name="account_home"),
    path("agents/<int:pk>/end/", agents.end_agent, name="account_end_agent"),
    path("servers/", servers.mine, name="account_servers"),
    path("servers/<int:pk>/", servers.server, name="account_server"),
    path("invitation/<str:token>/", invitation.invitation, name="account_invitation"),
    path("second-factor/", demanded_factor.page, name="account_second_factor"),
    path("sign-ins/", sign_ins.mine, name="account_sign_ins"),
    path("requests/", access_requests.mine, name="account_requests"),
    path("requests/<uuid:pk>", access_requests.one_of_mine, name="account_request"),
    path("requests/<uuid:pk>/decide", access_requests.decide_for_others, name="account_decide"),
]
