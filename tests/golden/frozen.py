"""What the tests of methods on a frozen base share: a start from embeddings, and no image."""

import torch

from hashquant.data.items import TrainingSet
from hashquant.training.frozen import NoImages
from hashquant.training.state import allocate


def begin(head, embeddings, labels):
    """Prepare a head as the engine does on a frozen base."""
    labels = torch.as_tensor(labels)
    allocate(head, len(labels), 5, torch.device("cpu"))
    images = NoImages(len(labels), head.name)
    head.initialise(TrainingSet(images, labels, labels >= 0, 5, embeddings))
    return head
