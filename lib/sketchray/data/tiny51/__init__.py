"""tiny-51, the development set: 51 classes of both Tiny-ImageNet and Quick, Draw!, built from your own downloads.

``split.json`` and ``wnids.json`` beside this module are its classes, 39 seen and 12 unseen, and their ImageNet ids.
"""
