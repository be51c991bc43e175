"""Attack 38: mail addresses that are not verified, or only look the same."""

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client as Browser
from django.urls import NoReverseMatch, reverse

from authz.configuration import apply
from authz.models import User
from authz.sign_in import account_mails, account_pages, people
from tests.attacks.signing_in import signs_in
from tests.protocol.test_email_addresses import OTHERS
from tests.support.world import World, person


class TestAnAddressIsGiven:
    def test_each_page_of_allauth_that_is_not_named_is_closed(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        closed = []
        for name in account_pages.names():
            if not name or name in account_pages.OPEN | account_pages.FRESH:
                continue
            try:
                address = reverse(name)
            except NoReverseMatch:
                address = reverse(name, kwargs={"key": "MQ:1abc:def"})
            assert gatehouse.browser.get(address).status_code == 404, name
            assert gatehouse.browser.post(address, {"email": "ceo@example.com"}).status_code == 404, name
            closed.append(name)
        assert {"account_email", "account_signup", "account_set_password", "socialaccount_connections"} <= set(closed)

    @pytest.mark.parametrize("action", ["action_add", "action_primary", "action_send", "action_remove"])
    def test_people_cannot_add_an_address_themselves(self, gatehouse: World, action: str) -> None:
        gatehouse.sign_in("bob")
        gatehouse.browser.post("/accounts/email/", {"email": "ceo@example.com", action: ""})
        assert person("bob").email == "bob@example.com"
        assert not EmailAddress.objects.exists()

    def test_an_unverified_address_from_before_does_not_count(self, gatehouse: World) -> None:
        """As an earlier version let people do."""
        bob = person("bob")
        User.objects.filter(pk=bob.pk).update(email="ceo@example.com", email_key="ceo@example.com")
        EmailAddress.objects.create(user=bob, email="ceo@example.com", verified=False, primary=True)
        assert people.with_address("ceo@example.com") == []
        assert not signs_in("ceo@example.com", "bob-password")
        apply("users: [{username: bob, email: ceo@example.com, groups: [engineering]}]")
        assert people.with_address("ceo@example.com") == [bob], "an administrator has given it"

    @pytest.mark.parametrize(("typed", "theirs"), OTHERS[:-1])
    def test_what_only_looks_the_same_is_another(self, gatehouse: World, typed: str, theirs: str) -> None:
        User.objects.create_user("victim", email=theirs, password="victim-password")
        assert people.with_address(typed) == []
        assert people.with_address(theirs) == [person("victim")]
        Browser().post("/accounts/password/reset/", {"email": typed})
        account_mails.wait()
        # The form drops white space around what was typed.
        assert mail.outbox == [] or typed.strip() == theirs
        assert typed.strip() == theirs or not signs_in(typed, "victim-password")
        assert signs_in(theirs, "victim-password")

    def test_letters_in_another_case_are_the_same(self, gatehouse: World) -> None:
        assert signs_in("BOB@Example.com", "bob-password")
        assert signs_in("BOB", "bob-password")

    def test_a_shared_address_signs_no_one_in(self, gatehouse: World) -> None:
        User.objects.create_user("bobs-other", email="bob@example.com", password="bobs-other-password")
        assert people.named("bob@example.com") is None
        assert people.named("bob") == person("bob")

    def test_a_user_name_that_is_another_persons_address(self, gatehouse: World) -> None:
        other = User.objects.create_user("bob@example.com", password="another-password")
        assert people.named("bob@example.com") == other, "a name is one person's; an address may be several people's"
