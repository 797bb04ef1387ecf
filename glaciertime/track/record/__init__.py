"""What a dated record tells: screening, means, rates, retreat, comparisons, the forms of other archives."""
