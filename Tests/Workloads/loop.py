"""A busy loop that counts, and that would notice a wrong turn of it: sums, a dictionary, and a number's long orbit."""

from workload import Requests, expect

PERIOD = 9973
requests = Requests()
count, total, power = 0, 0, 1
seen = {}
asked = 0


def check(_):
    global asked
    expect("the sum", total, count * (count + 1) // 2)
    # 11 generates the numbers below the prime PERIOD.
    expect("the orbit", power, pow(11, count, PERIOD))
    expect("what was seen", all(seen[key] == pow(11, value, PERIOD) for key, value in ORDER), True)
    if count <= asked:
        raise ValueError(f"stands still at {count}")
    asked = count
    return count


ORDER = [(value, value) for value in range(0, PERIOD - 1, 97)]
for value in range(PERIOD - 1):
    seen[value] = pow(11, value, PERIOD)
requests.ready()
while True:
    for _ in range(2000):
        count += 1
        total += count
        power = power * 11 % PERIOD
        if seen[count % (PERIOD - 1)] != power:
            raise SystemExit(f"wrong at {count}")
    if count % 100_000 == 0:
        requests.step()
    if requests.is_pending():
        requests.serve(check, status=12)
