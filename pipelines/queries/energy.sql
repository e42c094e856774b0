-- Q30 energy: How much energy did it take (estimated from CPU time)? Args: $watts (power of one
-- busy core), $pue (overhead of the data centre), $grams (g CO2e of a kWh).
-- An estimate after Green Algorithms (Lannelongue et al. 2021, doi:10.1002/advs.202100707): CPU
-- time x power of a core x overhead of the data centre; its defaults are 12 W a core where the model
-- is not known, PUE 1.67, 475 g CO2e a kWh (world average). Memory and storage are left out. CPU
-- time is measured, the rest is not: give your own numbers.
WITH spent AS (
    SELECT sum(cpu_seconds) AS cpu_seconds, sum(cpu_seconds) / 3.6e6 * $watts * $pue AS kwh
    FROM stages
    WHERE stage NOT LIKE '%.%'  -- the steps of a stage are in the stage
)
SELECT
    cpu_seconds,
    kwh AS kwh_estimated,
    kwh * $grams AS g_co2e_estimated,
    1e9 * kwh / nullif(tokens_in, 0) AS kwh_per_billion_tokens,
    'CPU time x ' || $watts || ' W x PUE ' || $pue || ' x ' || $grams || ' g/kWh' AS method
FROM spent, runs
