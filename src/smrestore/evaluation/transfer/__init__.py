"""How restored system matrices serve: components against the truth, images, tables and gains."""
