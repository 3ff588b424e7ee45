"""Passwords and tokens in addresses: what is printed or recorded has none."""

from __future__ import annotations

import re

MASK = "***"
_REFERENCE = r"\$(?:\w+|\{\w+\})"
# A reference to an environment variable, which `tracking.uri` may hold, is no secret.
_PASSWORD = re.compile(rf"(\w://[^\s/@:]*:)(?!{_REFERENCE}@)[^\s/]*@")
_TOKEN = re.compile(rf"(https?://)(?!{_REFERENCE}@)[^\s/@:]+@")
_SECRET = re.compile(
    rf"([?&](?:password|passwd|pwd|token|secret)=)(?!{_REFERENCE}(?:[\s&]|$))[^\s&]*",
    re.IGNORECASE,
)
_MASKED = re.compile(r"[:/=]\*\*\*(?:[@&]|$)")


def without_secrets(text: str) -> str:
    """Return a text whose addresses have `***` for passwords and tokens.

    References to environment variables, as in `http://me:$PASSWORD@host`, stay.
    """
    text = _PASSWORD.sub(rf"\1{MASK}@", text)
    return _SECRET.sub(rf"\1{MASK}", _TOKEN.sub(rf"\1{MASK}@", text))


def is_masked(uri: str) -> bool:
    """Return whether `without_secrets` has masked a part of an address: nobody can use it then."""
    return _MASKED.search(uri) is not None
