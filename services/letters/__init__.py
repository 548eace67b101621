"""The registrar of letters 执法建议书 and its sisters."""
