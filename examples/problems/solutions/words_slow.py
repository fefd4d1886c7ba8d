import sys

words = sys.stdin.read().split()
for _ in words:  # bubble sort, without a look whether anything is still to be done
    for place in range(len(words) - 1):
        one, other = words[place], words[place + 1]
        if (len(other), other) < (len(one), one):
            words[place], words[place + 1] = other, one
print(*words, sep="\n")
