"""房屋: the registry of titles with annotations, the housing bureau with notices about property firms."""
