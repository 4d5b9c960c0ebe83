"""Loads the function that Fission's `functionName` names, by the rules of Fission's Python environment."""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import traceback


class LoadFailure(Exception):
    """Why a function cannot be loaded: the answer to `/specialize` says it."""


def load_function(path, entry):
    """
    `entry` is split at its last dot: '' is main.main, 'f' is main.f, 'a.b.f' is f of the module a.b.

        directory   it joins sys.path, and the module is imported by its name
        file        it is the module, whatever the entry calls it

    Raises LoadFailure, and SystemExit when the module asks for it.
    """
    module_name, _, function_name = entry.rpartition(".")
    module_name, function_name = module_name or "main", function_name or "main"
    if not os.path.exists(path):
        raise LoadFailure(f"cannot load [{path}]: there is no such file")
    try:
        if os.path.isdir(path):
            sys.path.append(path)
            importlib.invalidate_caches()
            module = importlib.import_module(module_name)
        else:
            module = _load_file(path)
    except Exception as error:
        raise LoadFailure(f"cannot load [{path}]: {_told(error, path)}") from error
    found = getattr(module, function_name, None)
    if callable(found):
        return found
    there = [name for name, each in vars(module).items() if callable(each) and not name.startswith("_")]
    what = "there is none" if found is None else f"it is of type {type(found).__name__}, not a function"
    raise LoadFailure(
        f"cannot use the function [{function_name}] of module [{module_name}] in [{path}]: {what}; "
        f"the module has {', '.join(there) or 'no function'}"
    )


def _load_file(path):
    # Any extension, or none.
    loader = importlib.machinery.SourceFileLoader("mod", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mod", loader))
    sys.modules["mod"] = module
    loader.exec_module(module)
    return module


def _told(error, path):
    """Of the stack, what lies in the function's own files."""
    if isinstance(error, ModuleNotFoundError) and error.name and os.path.isdir(path):
        files = ", ".join(sorted(os.listdir(path))) or "nothing"
        return f"{type(error).__name__}: {error}; the directory holds {files}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(path)]
    lines = traceback.format_list(frames) + traceback.format_exception_only(error)
    return "".join(lines).strip()[-2_000:]
