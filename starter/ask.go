package main

import (
	"fmt"
	"strings"
)

// confirm asks a yes-or-no question on the terminal; only y and yes mean yes.
func (c *cli) confirm(question string) bool {
	c.ask(question)
	return saysYes(c.answer())
}

func (c *cli) ask(question string) { fmt.Fprintf(c.err, "%s [y/N] ", question) }

// answer reads a line. Nothing but the reader is touched, so that a caller need not wait for it.
func (c *cli) answer() string {
	line, _ := c.in.ReadString('\n') // the end of the input is an empty answer
	return line
}

func saysYes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// needsAnswer refuses a command that would ask where nobody can answer.
func (c *cli) needsAnswer(command string, yes bool) error {
	if yes || c.canAsk {
		return nil
	}
	return usagef("%s asks before it changes anything, and nobody can answer here; give --yes", command)
}
