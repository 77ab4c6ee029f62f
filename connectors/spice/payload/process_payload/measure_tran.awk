# From step.csv: the highest voltage, the last one, and when 63.2 % of the highest is reached: R C, for an RC low-pass.
NR > 1 { count++; time[count] = $1; voltage[count] = $2; if (count == 1 || $2 > voltage[peak]) peak = count }

END {
    level = voltage[peak] * (1 - exp(-1))
    rise = "null"
    for (i = 2; i <= peak; i++) if (voltage[i] >= level && voltage[i] > voltage[i - 1]) {
        share = (level - voltage[i - 1]) / (voltage[i] - voltage[i - 1])
        rise = sprintf("%.9g", time[i - 1] + share * (time[i] - time[i - 1]))
        break
    }
    printf "{\n"
    printf " \"analysis\": \"tran\",\n"
    printf " \"peak_v\": %.9g,\n \"peak_time_s\": %.9g,\n \"final_v\": %.9g,\n", voltage[peak], time[peak], voltage[count]
    printf " \"rise_time_s\": %s\n", rise
    printf "}\n"
}
