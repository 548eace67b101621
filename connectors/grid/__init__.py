"""城运中心, 网格化: the district's urban operations centre, by its own REST system or by Open311."""
