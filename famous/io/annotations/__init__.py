"""Box annotations, in and out: boxes.csv (the truth of the labelling), YOLO and YOLO_mark, COCO JSON, CVAT XML 1.1."""

from famous.io.annotations.annotation import Annotations, Imported
from famous.io.annotations.formats import FORMATS, detect_format, files_of, read_boxes, write_boxes

__all__ = ["FORMATS", "Annotations", "Imported", "detect_format", "files_of", "read_boxes", "write_boxes"]
