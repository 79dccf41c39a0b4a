"""Examples of what goes in and out, for the API's description."""

from typing import Any

from serve.models import HOUSE

Json = dict[str, Any]

ID = "b1f0c2d87a3e4c59"
VERSION = "6f1d0a9c3be25874"
MODEL = "rpkd-starter@3b9d5e7f1a2c"

ANSWER: Json = {
    "results": [
        {
            "id": ID,
            "score": 0.7134,
            "confidence": 0.91,
            "uri": "s3://pictures/house_03.png",
            "label": "house",
            "metadata": {"taken": "2024-05-01T10:30:00Z", "price": 9.5},
            "image": f"/v1/images/{ID}",
        }
    ],
    "gallery": "starter",
    "gallery_version": VERSION,
    "ranking": "nearest",
    "model": MODEL,
    "timings_ms": {"prepare": 2.1, "encode": 9.8, "search": 3.0, "total": 14.9},
    "request_id": "9f8a1c2be0d34f57",
}
PROBLEM: Json = {
    "type": "/docs#problem-422",
    "title": "Cannot be answered",
    "status": 422,
    "detail": "The sketch is blank: draw something first.",
    "request_id": "9f8a1c2be0d34f57",
}
GALLERY: Json = {
    "gallery": "starter",
    "gallery_version": VERSION,
    "created_at": "2026-11-21T09:30:00Z",
    "pictures": 194,
    "shards": 2,
    "model": MODEL,
    "rankings": ["nearest", "cluster", "mixture", "manifold"],
    "columns": [{"name": "taken", "type": "timestamp"}, {"name": "price", "type": "float64"}],
    "calibrated": False,
    "calibration_note": "The encoder is not calibrated: its similarities stand for no probability.",
    "default": True,
    "refused": None,
}
EXPLANATION: Json = {
    "sketch": [[0.02, 0.31], [0.11, 0.27]],
    "picture": [[0.05, 0.38], [-0.01, 0.29]],
    "score": 0.71,
    "exact": True,
    "raster": "data:image/png;base64,iVBORw0KGgo=",
    "gallery": "starter",
    "gallery_version": VERSION,
    "model": MODEL,
    "request_id": "9f8a1c2be0d34f57",
}

# By the name of the model; those that carry their own are not here.
OF_MODELS: dict[str, Json] = {
    "Alive": {"status": "ok"},
    "BatchAnswer": {"answers": [ANSWER, PROBLEM]},
    "GalleryInfo": GALLERY,
    "GalleryList": {"galleries": [GALLERY]},
    "Explanation": EXPLANATION,
    "ProblemDetails": PROBLEM,
    "Ready": {
        "status": "ready",
        "gallery": "starter",
        "gallery_version": VERSION,
        "pictures": 194,
        "shards": 2,
        "model": MODEL,
        "refused": None,
    },
    "SearchAnswer": ANSWER,
    "SessionQuery": {"key": "sketchray_0123456789ab_…"},
    "Session": {"signed_in": True, "required": True, "name": "kiosk"},
}

OF_A_SEARCH: dict[str, Json] = {
    "strokes": {"summary": "a house", "value": {"strokes": HOUSE, "limit": 5}},
    "filtered": {
        "summary": "a house among the pictures that have a label: the second page",
        "value": {"strokes": HOUSE, "filter": "label is not null", "limit": 20, "offset": 20},
    },
    "sketches": {"summary": "two sketches of one thing", "value": {"sketches": [HOUSE, HOUSE[:1]]}},
    "like": {"summary": "more like a picture", "value": {"like": ID, "ranking": "nearest"}},
}
OF_A_BATCH: dict[str, Json] = {
    "two": {
        "summary": "a house, and its roof alone",
        "value": {"queries": [{"strokes": HOUSE, "limit": 5}, {"strokes": HOUSE[1:]}]},
    }
}
