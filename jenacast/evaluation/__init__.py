"""A network's errors beside the baseline's."""

# What 95 % intervals over days mean, wherever people read it. Between years: a ridge regression on each of eight years
# left out in turn; pairs of years differed "at 95 %" in 39 % of the cases, differences between forecasts in none.
OVER_DAYS = (
    "The 95 % interval of an MAE says what other days of these years might have given; for another year it would have "
    "to be about half as wide again, while that of a difference between two forecasts holds for other years too."
)
