"""Images: folders, idx and npz files, tables of paths; decoding, augmentation, loading."""

from smoothlab.data.images.augmentation import Augmentation
from smoothlab.data.images.batch import ImageBatch
from smoothlab.data.images.encoder import ImageEncoder
from smoothlab.data.images.loading import FileLoader
from smoothlab.data.images.module import ImageData

__all__ = ["Augmentation", "FileLoader", "ImageBatch", "ImageData", "ImageEncoder"]
