"""What a sample is and where it comes from: readers, the canonical sketch raster, transforms, sample order."""
