"""Everything that touches the outside: the engines, HTTP, and the partners' systems."""
