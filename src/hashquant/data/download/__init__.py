"""Files from elsewhere: fetched over HTTP within bounds, verified, unpacked within bounds."""

from hashquant.data.download._fetching import fetch
from hashquant.data.download._unpacking import unpack_gzip, unpack_tar

__all__ = ["fetch", "unpack_gzip", "unpack_tar"]
