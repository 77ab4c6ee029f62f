# From response.csv: the peak, and the frequencies on either side of it at which the power is half as much (-3.01 dB).
NR > 1 { count++; frequency[count] = $1; gain[count] = $2; if (count == 1 || $2 > gain[peak]) peak = count }

# Where the gain crosses the level between two neighbours; straight over the logarithm of the frequency.
function crossing(a, b,    share) {
    share = (level - gain[a]) / (gain[b] - gain[a])
    return sprintf("%.9g", exp(log(frequency[a]) + share * (log(frequency[b]) - log(frequency[a]))))
}

END {
    level = gain[peak] - 10 * log(2) / log(10)
    lower = upper = "null"
    for (i = peak; i > 1; i--) if (gain[i - 1] <= level) { lower = crossing(i - 1, i); break }
    for (i = peak; i < count; i++) if (gain[i + 1] <= level) { upper = crossing(i, i + 1); break }
    printf "{\n"
    printf " \"analysis\": \"ac\",\n"
    printf " \"peak_gain_db\": %.9g,\n \"peak_frequency_hz\": %.9g,\n", gain[peak], frequency[peak]
    printf " \"lower_cutoff_hz\": %s,\n \"upper_cutoff_hz\": %s\n", lower, upper
    printf "}\n"
}
