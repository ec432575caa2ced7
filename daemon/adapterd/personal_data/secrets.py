"""Keys, tokens and passwords in text, by the plugins of detect-secrets, used as a library on one text."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from adapterd.personal_data.finding import Span

_TOKENS = (
    re.compile(r"\bsk-ant-[A-Za-z0-9_-]{20,}"),  # Anthropic
    re.compile(r"\bsk-(?:proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{32,}"),  # OpenAI, OpenRouter and alike
    re.compile(r"\bhf_[A-Za-z0-9]{30,}"),  # Hugging Face
    re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),  # Google
    re.compile(r"\bya29\.[A-Za-z0-9_-]{20,}"),
    re.compile(r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    re.compile(r"\bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{20,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # AWS
    re.compile(r"\b\d{8,10}:[A-Za-z0-9_-]{35}\b"),  # Telegram
    re.compile(r"\bdop_v1_[a-f0-9]{64}\b"),  # DigitalOcean
    re.compile(r"\b(?:sk|rk|pk|whsec)_(?:live|test)_[A-Za-z0-9]{16,}"),  # Stripe
    re.compile(r"://[^\s:/@]{1,64}:[^\s@/]{3,100}@"),  # a password in the address of a page
    re.compile(r"\bnpm_[A-Za-z0-9]{36}\b"),
    re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
)
_NAMED = re.compile(
    r"(?:pass(?:wor[dt]|phrase|wd)?|pwd|kennwort|mot de passe|contraseña|senha|wachtwoord|hasło|lösenord|пароль|"
    r"密码|密碼|パスワード|비밀번호|كلمة المرور|parola|şifre|secret|token|credentials?|"
    r"(?:api|access|auth|private)[_ -]?key|client[_ -]?secret)\w{0,12}[\"'`\]]{0,2}"
    r"(?:\s?[:=：]{1,2}>?|\s(?:is|ist|lautet|est|es|è))\s?[\"'`«“„]?(?P<value>[^\s\"'`»”“,;<>]{8,200})",
    re.IGNORECASE,
)
_NAMES = (
    "pass", "pwd", "kennwort", "contraseña", "senha", "wachtwoord", "hasło", "lösenord", "пароль", "密码", "密碼",
    "パスワード", "비밀번호", "كلمة المرور", "parola", "şifre", "secret", "token", "credential", "key",
    "bearer", "basic",
)  # fmt: skip
"""One of these is in what the expressions above and below find."""
_ASSIGNED = re.compile(
    r"(?:password|passwd|pwd|passphrase|passwort)\w{0,12}[\"'\]]{0,2}\s?(?:=|:=|=>)\s?(?P<quote>[\"'])(?P<value>[^\s\"']{8,200})(?P=quote)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(?:Bearer|Basic)\s(?P<value>[A-Za-z0-9+/_.=-]{20,})")
WINDOW, OVERLAP = 2_000, 200
"""Characters that are searched for tokens at a time: some expressions of detect-secrets take quadratic time."""
_REST = re.compile(r"[A-Za-z0-9_./+=-]+")
"""What else belongs to a token whose beginning was found."""
_MAY_BE = re.compile(r"[A-Za-z0-9_-]{16}|://|PRIVATE KEY", re.ASCII)


def find_secrets(text: str) -> Iterator[Span]:
    """The keys, tokens and passwords in a text."""
    yield from _named(text)
    known = Span(0, 0)  # the token that ends last: what is within it is not looked at again
    for start in range(0, len(text), WINDOW - OVERLAP):
        piece = Span(start, min(start + WINDOW, len(text)))
        if known.has(piece) or not _MAY_BE.search(text, piece.start, piece.end):
            continue
        for found in _by_form(text[piece.start : piece.end]):
            token = Span(start + found.start, start + found.end)
            if not known.has(token):
                rest = _REST.match(text, token.end)
                token = Span(token.start, rest.end() if rest else token.end)
                known = max(known, token, key=lambda each: each.end)
                yield token


def _named(text: str) -> Iterator[Span]:
    """What a word in front calls a password, a key or a token."""
    lower = text.lower()
    if not any(name in lower for name in _NAMES):
        return
    for pattern in (_NAMED, _BEARER, _ASSIGNED):
        for match in pattern.finditer(text):
            if pattern is _ASSIGNED or _looks_made(match["value"]):
                yield Span(match.start("value"), match.end("value"))


def _by_form(text: str) -> Iterator[Span]:
    for pattern in _TOKENS:
        for match in pattern.finditer(text):
            if any(map(str.isdigit, match.group())) or "://" in match.group():
                yield Span(match.start(), match.end())
    for plugin in _plugins():
        is_formally_valid = getattr(plugin, "is_formally_valid", None)  # of a token with parts, for one
        for pattern in plugin.denylist:
            for match in pattern.finditer(text):
                if is_formally_valid is None or is_formally_valid(match.group()):
                    yield Span(match.start(), match.end())


@cache
def _plugins() -> tuple[Any, ...]:
    """The plugins that know a token by its form. Those that go by entropy alone would hold every digest."""
    from detect_secrets.plugins import (
        artifactory,
        aws,
        azure_storage_key,
        discord,
        github_token,
        gitlab_token,
        jwt,
        mailchimp,
        npm,
        openai,
        private_key,
        pypi_token,
        sendgrid,
        slack,
        square_oauth,
        stripe,
        twilio,
    )  # fmt: skip

    kinds = (
        artifactory.ArtifactoryDetector, aws.AWSKeyDetector, azure_storage_key.AzureStorageKeyDetector,
        discord.DiscordBotTokenDetector, github_token.GitHubTokenDetector,
        gitlab_token.GitLabTokenDetector, jwt.JwtTokenDetector, mailchimp.MailchimpDetector, npm.NpmDetector,
        openai.OpenAIDetector, private_key.PrivateKeyDetector, pypi_token.PypiTokenDetector,
        sendgrid.SendGridDetector, slack.SlackDetector, square_oauth.SquareOAuthDetector, stripe.StripeDetector,
        twilio.TwilioKeyDetector,
    )  # fmt: skip
    return tuple(kind() for kind in kinds)


def _looks_made(value: str) -> bool:
    """Whether a value that is called a password or key looks like one: letters with digits or signs, no word, no name
    of a variable and no address of a page."""
    stripped = value.rstrip(".!?)]}")
    if "://" in stripped or re.match(r"[$%{<(\[*•]|www\.|os\.|env\.|process\.", stripped):
        return False
    letters = any(map(str.isalpha, stripped))
    digits = any(map(str.isdigit, stripped))
    signs = any(not each.isalnum() and each not in "-_./:" for each in stripped)
    return len(stripped) >= 8 and letters and (digits or signs)
