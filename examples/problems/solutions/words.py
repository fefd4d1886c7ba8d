import sys

words = sys.stdin.read().split()
print(*sorted(words, key=lambda word: (len(word), word)), sep="\n")
