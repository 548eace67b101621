"""The registrar of leads 协查, 溯源."""
