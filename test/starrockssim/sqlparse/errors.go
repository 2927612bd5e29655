package sqlparse

import "strings"

// SyntaxError is what the FE's parser answers: code 1064, SQLSTATE HY000.
type SyntaxError struct {
	Range  Range  // zero: the message has no position
	Detail string // without the closing dot
}

// Error is the FE's exact text, e.g.
// "Getting syntax error at line 1, column 17. Detail message: Unexpected input 'full', the most similar input is {a legal identifier}."
func (e *SyntaxError) Error() string {
	where := e.Range.String()
	if where != "" {
		where = " " + where
	}
	return "Getting syntax error" + where + ". Detail message: " + e.Detail + "."
}

// Code is the MySQL error code.
func (*SyntaxError) Code() uint16 { return 1064 }

// SQLState is the five letters of the error packet.
func (*SyntaxError) SQLState() string { return "HY000" }

// legalIdentifier is how the FE names any identifier it expected.
const legalIdentifier = "a legal identifier"

// unexpected says that tok stood where one of want was expected; want elements are already in the FE's form.
func unexpected(t token, want ...string) *SyntaxError {
	return &SyntaxError{
		Range:  Range{t.pos, t.pos},
		Detail: "Unexpected input '" + t.source() + "', the most similar input is {" + strings.Join(want, ", ") + "}",
	}
}

// noViable is the FE's answer where several alternatives were open: text runs from the start of the decision to the offending token.
func noViable(at token, text string) *SyntaxError {
	return &SyntaxError{Range: Range{at.pos, at.pos}, Detail: "No viable statement for input '" + text + "'"}
}

// forbidden is a rejection of the tree builder: it has no position.
func forbidden(detail string) *SyntaxError { return &SyntaxError{Detail: detail} }
