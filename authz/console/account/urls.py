"""`/account/`: what each person who signs in may see and end."""

from django.urls import path

from authz.console.account import access_requests, agents

urlpatterns = [
    path("", agents.account, name="account_home"),
    path("agents/<int:pk>/end/", agents.end_agent, name="account_end_agent"),
    path("requests/", access_requests.mine, name="account_requests"),
    path("requests/<uuid:pk>", access_requests.one_of_mine, name="account_request"),
    path("requests/<uuid:pk>/decide", access_requests.decide_for_others, name="account_decide"),
]
