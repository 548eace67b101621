"""The registrar of what agencies settle together: assistance, coordination, joint operations, demands and follow-up."""
