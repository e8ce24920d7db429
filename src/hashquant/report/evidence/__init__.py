"""What the single queries say: intervals, paired differences, contrasts and claims."""

__all__ = ["claimlist", "claims", "families", "judgement", "queries", "relative"]
