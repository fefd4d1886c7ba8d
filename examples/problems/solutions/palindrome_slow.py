text = input()
best = ""
for start in range(len(text)):
    for end in range(start + 1, len(text) + 1):
        piece = text[start:end]
        if len(piece) > len(best) and piece == piece[::-1]:
            best = piece
print(best)
