"""Manage members, their referral codes and referrals."""
