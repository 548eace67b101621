"""河长制信息平台: the river chiefs' platform of a water bureau. Orders in, replies out."""
