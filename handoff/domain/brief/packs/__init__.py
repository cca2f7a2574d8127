"""Language packs: what phrases, fillers and labels mean, as data.

A pack is a TOML file beside this module. The composition root reads them once (`bootstrap.packs`); a new
language is a file and a row in the tests' table of examples.
"""

from .pack import Pack, PackFile, Packs, compile_packs
from .tokens import tokens_of

__all__ = ["Pack", "PackFile", "Packs", "compile_packs", "tokens_of"]
