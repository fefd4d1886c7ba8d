import sys

words = sys.stdin.read().split()
print(*sorted(set(words), key=lambda word: (len(word), word)), sep="\n")  # each word once only
