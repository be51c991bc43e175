"""Names and descriptions that others read, in the configuration file and the API: no character of them is unseen."""

from typing import Any

from rest_framework import serializers

from authz.protocol.display_names import UNSEEN, has_unseen, visible


class ShownField(serializers.CharField):
    """What people read, such as an agent's name: unseen characters are spelt out."""

    def to_internal_value(self, data: Any) -> str:
        return visible(super().to_internal_value(data))


class KeyField(serializers.CharField):
    """A name that other things refer to, such as a group's: one with unseen characters is refused. Spelt out, it would
    be another name.
    """

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if has_unseen(text):
            raise serializers.ValidationError(UNSEEN)
        return text
