//! The plan: what would be switched, what else its user holds, and what is refused and why.
