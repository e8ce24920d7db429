"""From files to images on the device, and who plays which part: training, query, gallery.

Downloads, folders, decoding, the cache, splits. It knows no method and no score.
"""

__all__ = [
    "decoding",
    "disjoint",
    "download",
    "faces",
    "folders",
    "imagecache",
    "images",
    "items",
    "lawful",
    "layouts",
    "manifests",
    "pixels",
    "rowfile",
    "splits",
    "standing",
    "vectors",
    "views",
]
