"""`/account/`: what everybody who signs in may see and end."""

from django.urls import path

from authz.console import account

urlpatterns = [
    path("", account.account, name="account_home"),
    path("agents/<int:pk>/end/", account.end_agent, name="account_end_agent"),
]
