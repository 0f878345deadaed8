"""Activations that other processes cannot import, for pickle: their text, and what it uses of its surroundings."""

import ast
import copy
import functools
import hashlib
import importlib
import linecache
import operator
import pickle
import sys
import types
from typing import NamedTuple

from fastact._source import closure, definition


class Module(NamedTuple):
    name: str


class Function(NamedTuple):
    module: str
    name: str
    text: str
    defaults: tuple | None
    keyword_defaults: dict | None
    surroundings: dict


def named(module, name):
    """What in a module, if that was imported, has this name."""
    try:
        return operator.attrgetter(name)(sys.modules[module])
    except (KeyError, AttributeError):
        return None


def can_be_imported(thing):
    return thing.__module__ != "__main__" and named(thing.__module__, thing.__qualname__) is thing


def packed(thing):
    if isinstance(thing, types.ModuleType):
        return Module(thing.__name__)
    if not isinstance(thing, types.FunctionType) or can_be_imported(thing):
        return thing  # which pickle does itself
    node = copy.deepcopy(definition(thing))
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    arguments.defaults = [ast.Constant(None) for _ in arguments.defaults]
    arguments.kw_defaults = [default and ast.Constant(None) for default in arguments.kw_defaults]
    if isinstance(node, ast.Lambda):
        node = ast.Assign([ast.Name("function", ast.Store())], node, lineno=1)
    else:
        node.name, node.decorator_list, node.returns = "function", [], None
    used = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    used -= {*thing.__code__.co_varnames}  # which may have namesakes in the module: a notebook's x
    surroundings = {name: packed(value) for name, value in (thing.__globals__ | closure(thing)).items() if name in used}
    return Function(
        thing.__module__, thing.__name__, ast.unparse(node), thing.__defaults__, thing.__kwdefaults__, surroundings
    )


def unpacked(thing):
    if isinstance(thing, Module):
        return importlib.import_module(thing.name)
    if not isinstance(thing, Function):
        return thing
    scope = {name: unpacked(value) for name, value in thing.surroundings.items()} | {"__name__": thing.module}
    file = f"<{thing.name} {hashlib.sha256(thing.text.encode()).hexdigest()[:16]}>"
    # to be read there again
    linecache.cache[file] = (len(thing.text), None, thing.text.splitlines(keepends=True), file)
    exec(compile(thing.text, file, "exec", dont_inherit=True), scope)
    function = scope["function"]
    function.__name__ = function.__qualname__ = thing.name
    function.__defaults__, function.__kwdefaults__ = thing.defaults, thing.keyword_defaults
    return function


def reduced(activation):
    """For `Activation.__reduce__`."""
    if can_be_imported(activation):
        return activation.__qualname__
    return activation_of, (content_of(activation), activation.__module__, activation.__qualname__)


def content_of(activation):
    return pickle.dumps([packed(activation.__wrapped__), packed(activation._derivative)])


@functools.lru_cache(maxsize=256)  # a pool of processes is given it with every task
def activation_of(content, module, name):
    """The one of this name, if there is one and it is the same."""
    from fastact._activation import Activation

    there = named(module, name)
    if isinstance(there, Activation) and content_of(there) == content:
        return there
    return Activation(*map(unpacked, pickle.loads(content)))
