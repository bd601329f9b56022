"""JSON validity: whether answers can be read by a program, and have what it expects."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.content import digest
from bench.errors import InputError, first_line
from bench.example import Example
from bench.metric import Answer, Language, Metric, Scores, fraction, means
from bench.record_sections import ScoreInfo
from bench.settings import Strings

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_VALID, _CONFORMS = "json_valid", "json_conforms"
_REFERENCES = ("$ref", "$dynamicRef")
_INFO = {_VALID: fraction("Valid JSON"), _CONFORMS: fraction("JSON as required")}


class JsonValid(Metric):
    """`json_valid`: share of answers that are one valid JSON text (RFC 8259) and nothing else.

    `NaN` and `Infinity`, which Python accepts, are not valid, nor is JSON inside a sentence or a code fence.
    `json_conforms`: share of answers that also are objects with the `required` keys and fit the JSON Schema. It is
    there only if one of these is set. References are not read.
    """

    required: Strings
    """Keys that an answer must have, as an object; none to leave that out."""
    json_schema: str | None
    """Path of a JSON Schema; None for no schema. It is not downloaded, and neither is what it refers to."""

    def identity(self) -> dict[str, Any]:
        """The settings, with the schema by its content."""
        return super().identity() | {"json_schema": self.json_schema and digest(self.json_schema)}

    def check(self, examples: Sequence[Example]) -> None:
        validator = self._validator()
        if validator is not None and (ref := _unresolved(validator)) is not None:
            raise InputError(
                "metric.json_valid.json_schema: each reference must lead to a part of the same file, since nothing is "
                f"downloaded, got {ref!r} in {self.json_schema}"
            )

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO if self.required or self.json_schema is not None else {_VALID: _INFO[_VALID]}

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        validator = self._validator()
        parsed = [_parsed(answer.prediction) for answer in answers]
        info, examples = self.score_info(), {_VALID: tuple(float(len(own)) for own in parsed)}
        if _CONFORMS in info:
            examples[_CONFORMS] = tuple(float(any(self._conforms(value, validator) for value in own)) for own in parsed)
        schema = digest(self.json_schema)[:16] if self.json_schema else "none"
        return means(info, examples, f"required:{','.join(self.required) or 'none'}|schema:sha256:{schema}")

    def _conforms(self, value: Any, validator: "Validator | None") -> bool:
        has_keys = not self.required or (isinstance(value, dict) and value.keys() >= set(self.required))
        return has_keys and (validator is None or validator.is_valid(value))

    def _validator(self) -> "Validator | None":
        """Of the schema; None if there is none. Raises InputError if it cannot be read or is no schema."""
        if self.json_schema is None:
            return None
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry

        try:
            schema = json.loads(Path(self.json_schema).expanduser().read_text(encoding="utf-8"))
            kind = validator_for(schema)
            kind.check_schema(schema)
        except (OSError, ValueError, SchemaError) as error:
            raise InputError(
                f"metric.json_valid.json_schema: must be a file with a JSON Schema, got {self.json_schema} "
                f"({first_line(error)})"
            ) from error
        # An empty registry, because jsonschema would otherwise download what a schema refers to.
        return kind(schema, registry=Registry())


def _unresolved(validator: "Validator") -> str | None:
    """A reference in the validator's schema that leads nowhere; None if there is none."""
    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import specification_with

    specification = specification_with(validator.META_SCHEMA["$schema"])
    root = specification.create_resource(validator.schema)
    waiting, seen = [(root, REGISTRY.resolver_with_root(root))], set()
    while waiting:
        part, resolver = waiting.pop()
        if not isinstance(part.contents, dict) or id(part.contents) in seen:
            continue
        seen.add(id(part.contents))
        waiting += [(inner, resolver.in_subresource(inner)) for inner in part.subresources()]
        for ref in (part.contents[keyword] for keyword in _REFERENCES if keyword in part.contents):
            try:
                target = resolver.lookup(ref)
            # The last two: a pointer that goes on where there is a number, or has no number where there is a list
            except (Unresolvable, TypeError, ValueError):
                return str(ref)
            waiting.append((specification.create_resource(target.contents), target.resolver))
    return None


def _parsed(text: str) -> list[Any]:
    """The value of a JSON text, in a list; an empty list for any other text."""
    try:
        return [json.loads(text, parse_constant=_refuse)]
    except (ValueError, RecursionError):
        return []


def _refuse(constant: str) -> None:
    raise ValueError(constant)
