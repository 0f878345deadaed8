"""The formula in a docstring as mathtext, which Matplotlib typesets: `x / (1 + exp(-x))` as a fraction, and so on."""

import ast
import re

GREEK = {"alpha": r"\alpha", "beta": r"\beta", "lambd": r"\lambda", "Phi": r"\Phi", "pi": r"\pi"}
MACROS = {"max", "min", "log", "tanh"}  # of TeX
COMPARISONS = {ast.Lt: "<", ast.Gt: ">", ast.LtE: r"\leq", ast.GtE: r"\geq"}
# Precedences: an operand of lower precedence needs parentheses.
SUM, PRODUCT, POWER, ATOM = range(4)


def formula_of(doc):
    """The formula of an activation, from the head of its docstring: its `math` block, or what follows the colon in
    its first sentence."""
    head = doc.partition("\n\nParameters\n")[0]
    block = re.search(r"\.\. math:: (?:.*? = )?(.*?)(?:, \\quad.*)?$", head, re.MULTILINE)
    if block:
        formula = block[1]
    else:
        sentence = " ".join(head.partition("\n\n")[0].split()).removesuffix(".")
        formula = mathtext(re.split(r"; |, with |, and | = ", sentence.rpartition(": ")[2])[0])
    formula = re.sub(r"^\\frac", r"\\dfrac", formula)  # full size where it stands alone
    return f"${formula}$"


def mathtext(text):
    """Python expressions, with words between them, as mathtext."""
    parts = re.split(r"(, else | else | if )", text)
    return "".join(_roman(part) if k % 2 else _expression(part) for k, part in enumerate(parts))


def _expression(text):
    try:
        return _write(ast.parse(text, mode="eval").body)[0]
    except SyntaxError:
        return _roman(text)


def _roman(text):
    return rf"\mathrm{{{text}}}".replace(" ", r"\ ").replace("_", r"\_")


def _write(node):
    """A node as mathtext, and its precedence."""

    def operand(node, least):
        text, precedence = _write(node)
        return text if precedence >= least else f"({text})"

    match node:
        case ast.Constant(value):
            return f"{value}", ATOM
        case ast.Name(name):
            return GREEK.get(name, name if len(name) == 1 else _roman(name)), ATOM
        case ast.Tuple(values):
            return r",\ ".join(_write(value)[0] for value in values), SUM
        case ast.UnaryOp(ast.USub(), value):
            return f"-{operand(value, PRODUCT)}", PRODUCT
        case ast.BinOp(left, ast.Add() | ast.Sub() as sign, right):
            sign = "+" if isinstance(sign, ast.Add) else "-"
            return f"{operand(left, SUM)} {sign} {operand(right, PRODUCT)}", SUM
        case ast.BinOp(left, ast.Mult(), right):
            return rf"{operand(left, PRODUCT)}\,{operand(right, PRODUCT)}", PRODUCT
        case ast.BinOp(left, ast.Div(), right):
            return rf"\frac{{{_write(left)[0]}}}{{{_write(right)[0]}}}", PRODUCT
        case ast.BinOp(left, ast.Pow(), right):
            return f"{operand(left, ATOM)}^{{{_write(right)[0]}}}", POWER
        case ast.Compare(left, operators, rights):
            pairs = zip(operators, rights, strict=True)
            return _write(left)[0] + "".join(f" {COMPARISONS[type(o)]} {_write(r)[0]}" for o, r in pairs), SUM
        case ast.Call(ast.Name("exp"), [value]):
            return f"e^{{{_write(value)[0]}}}", POWER
        case ast.Call(ast.Name("abs"), [value]):
            return f"|{_write(value)[0]}|", ATOM
        case ast.Call(ast.Name("sqrt"), [value]):
            return rf"\sqrt{{{_write(value)[0]}}}", ATOM
        case ast.Call(ast.Name(name), values):
            arguments = ", ".join(_write(value)[0] for value in values)
            function = rf"\{name}" if name in MACROS else GREEK.get(name, _roman(name))
            return f"{function}({arguments})", ATOM
    raise SyntaxError(f"no mathtext for {ast.unparse(node)}")
