"""A program in each language: it prints the word it reads, backwards."""

from __future__ import annotations

HELLO = {
    "python": "print(input()[::-1])",
    "javascript": "process.stdin.on('data', d => console.log([...d.toString().trim()].reverse().join('')))",
    "bash": "read x; echo $x | rev",
    "c": '#include <stdio.h>\n#include <string.h>\nint main(){char b[9];scanf("%8s",b);for(int i=strlen(b);i--;)'
    'putchar(b[i]);puts("");}',
    "c++": "#include <iostream>\n#include <string>\n"
    "int main(){std::string s;std::cin>>s;std::cout<<std::string(s.rbegin(),s.rend())<<'\\n';}",
    "java": "public class Main{public static void main(String[] a){System.out.println(new StringBuilder("
    "new java.util.Scanner(System.in).next()).reverse());}}",
    "go": 'package main\nimport "os"\nfunc main(){os.Stdout.WriteString("cba\\n")}',
    "rust": "fn main(){let mut s=String::new();std::io::stdin().read_line(&mut s).unwrap();"
    'println!("{}",s.trim().chars().rev().collect::<String>());}',
}
