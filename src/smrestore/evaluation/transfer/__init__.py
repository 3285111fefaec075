"""Quality of restored system matrices: components against the truth, images, tables and gains."""
