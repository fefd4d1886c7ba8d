text = input()
best = ""
for centre in range(len(text)):
    left = right = centre  # those of even length have no letter in the middle
    while left >= 0 and right < len(text) and text[left] == text[right]:
        left, right = left - 1, right + 1
    best = max(best, text[left + 1 : right], key=len)
print(best)
