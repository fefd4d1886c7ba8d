text = input()
start = end = 0
for centre in range(len(text)):
    for even in (0, 1):
        left, right = centre, centre + even
        while left >= 0 and right < len(text) and text[left] == text[right]:
            left, right = left - 1, right + 1
        if right - left - 1 > end - start:
            start, end = left + 1, right
print(text[start:end])
