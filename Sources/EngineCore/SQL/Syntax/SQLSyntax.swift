// Lexer, AST, parser.

import Platform
