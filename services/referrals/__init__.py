"""Members, their referral codes, and what became of them."""
