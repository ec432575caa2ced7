"""Chat templates: programs in Jinja that have no end, that grow, or that look for a way out of the sandbox."""

from dataclasses import replace
from pathlib import Path
from random import Random

from adapterd.chat import Message, Role
from adapterd.errors import InputError
from adapterd.serving.rendering.limits import LIMITS
from adapterd.serving.rendering.renderer import Renderer, TemplateError
from adapterd.system.child.limited import LimitedChild
from tests.support.chat_templates import FAMILIES

WORKER = "tests.torture.strangers.watched_renderer"
QUICK = replace(LIMITS, cpu_s=0.2)
OUTSIDE = 99
"""The status with which the child ends where the template reached something outside."""
_ASKED = [
    (Message(Role.USER, "Who?"),),
    (
        Message(Role.SYSTEM, "Be brief."),
        Message(Role.USER, "<b>é</b>"),
        Message(Role.ASSISTANT, "x"),
        Message(Role.USER, "y"),
    ),
]
_VALUES = (
    "messages",
    "messages[0].content",
    "'a'",
    "7",
    "2 ** 33",
    "9 ** (9 ** 9)",
    "range(99999)",
    "[]",
    "{}",
    "none",
    "self",
    "cycler",
    "joiner",
    "lipsum",
    "namespace(x='a')",
    "raise_exception",
    "strftime_now",
    "bos_token",
    "undefined.x",
    "loop",
    "x",
)
_ESCAPES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch CANARY2') }}",
    "{{ lipsum.__globals__['__builtins__'].open('CANARY').read() }}",
    "{% include 'CANARY' %}",
    "{% import 'CANARY' as x %}",
    "{% extends 'CANARY' %}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ messages.append.__self__ }}",
    "{{ self.__init__ }}",
    "{{ ''|attr('__class__')|attr('mro')() }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
    "{{ ('%s' % messages).__class__ }}",
    "{{ strftime_now.__globals__ }}",
    "{{ raise_exception.__globals__['__builtins__'] }}",
    "{{ strftime_now('%d' * 100000) }}",
    "{{ messages|map(attribute='__class__')|list }}",
    "{{ messages|tojson(indent=99999999) }}",
    "{% set _ = messages.append('x') %}",
    "{% set _ = messages.clear() %}",
    "{% generation %}x{% endgeneration %}",
)
_ENDLESS = (
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{{ 'a' * 2 ** 33 }}",
    "{% set n = namespace(x='a') %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{{ 'a'|center(2 ** 33) }}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ 'a'|indent(2 ** 33) }}",
    "{{ range(99999)|list|batch(1)|list|string * 99 }}",
    "{{ [[]] * 2 ** 30 }}",
    "{{ 'x'.ljust(2 ** 32) }}",
)


class Templates:
    """Makes a template, and renders a conversation by it, in a child that tells what it reached outside."""

    def __init__(self, folder: Path, canary: str) -> None:
        del folder
        self._canary = canary
        self._renderer = Renderer(LimitedChild(WORKER, QUICK))
        assert self._renderer.render("{{ 1 + 1 }}", _ASKED[0], bos_token="", eos_token="") == "2"

    def try_one(self, random: Random) -> None:
        """Render; raises InputError for a template that cannot be used, AssertionError for one that got out."""
        template = self._template(random).replace("CANARY", self._canary)
        try:
            self._renderer.render(template, random.choice(_ASKED), bos_token="<s>", eos_token="</s>")
        except TemplateError as exc:
            if f"status {OUTSIDE}" in str(exc):
                raise PermissionError(f"reached something outside: {template}") from exc
            raise InputError(str(exc)) from exc

    def _template(self, random: Random) -> str:
        kind = random.random()
        if kind < 0.02:
            return random.choice(_ENDLESS) + " " * random.randrange(1_000)
        if kind < 0.2:
            return "".join(random.choice(_ESCAPES) for _ in range(random.choice((1, 2))))
        if kind < 0.6:
            real = random.choice([*FAMILIES.values()])
            at = random.randrange(len(real))
            return random.choice(
                (
                    real[:at],
                    real[at:],
                    real[:at] + random.choice("{}%'\"#(.") + real[at:],
                    real[:at] + self._statement(random, 0) + real[at:],
                    real.replace("messages", random.choice(_VALUES)),
                )
            )
        return "".join(self._statement(random, 0) for _ in range(random.choice((1, 3, 8))))

    def _statement(self, random: Random, depth: int) -> str:
        inner = self._statement(random, depth + 1) if depth < 4 else "x"
        value = self._expression(random, 0)
        return random.choice(
            (
                f"{{{{ {value} }}}}",
                f"{{% for x in {value} %}}{inner}{{% endfor %}}",
                f"{{% if {value} %}}{inner}{{% endif %}}",
                f"{{% set x = {value} %}}{inner}",
                f"{{% macro m(x) %}}{inner}{{% endmacro %}}{{{{ m({value}) }}}}",
                f"{{% filter {random.choice(('upper', 'trim', 'nothing', 'indent'))} %}}{inner}{{% endfilter %}}",
                f"{{% for x in messages %}}{inner}{{% break %}}{{% endfor %}}",
                "{% raw %}{{{% endraw %}",
                "{# ",
                "\x00\x1b[2J",
            )
        )

    def _expression(self, random: Random, depth: int) -> str:
        if depth > 3 or random.random() < 0.3:
            return random.choice(_VALUES)
        one, other = self._expression(random, depth + 1), self._expression(random, depth + 1)
        return random.choice(
            (
                f"({one} {random.choice(('+', '*', '//', '%', '~', 'in', '==', '**', 'and', '/'))} {other})",
                f"{one}[{other}]",
                f"{one} | {random.choice(('length', 'list', 'join', 'tojson', 'sort', 'sum', 'pprint', 'wordwrap'))}",
                f"{one}({other})",
                f"{one}.{random.choice(('content', 'role', '__class__', 'items', 'split', 'format'))}",
                f"[{one}, {other}]",
                f"{{{one}: {other}}}",
                f"not {one}",
                f"({one} if {other})",
                f"{one} is {random.choice(('defined', 'string', 'odd'))}",
            )
        )
