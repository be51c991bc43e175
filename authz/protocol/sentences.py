"""Codes that explain themselves: what a person reads of them stands beside the code."""

from enum import StrEnum
from typing import Self


class WithSentence(StrEnum):
    """An enum of `NAME = "code", "A sentence."`; a member is its code, and has a `sentence`."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member
