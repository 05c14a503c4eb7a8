"""What zipfile raises for an archive that is broken, or meant to be. Few runs need it imported."""

import struct
import zipfile
import zlib

BROKEN_ZIP = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, LookupError, RuntimeError,
    OverflowError, OSError,
)  # fmt: skip
