package main

import (
	"fmt"
	"strings"
)

// confirm asks a yes-or-no question on the terminal; only y and yes mean yes.
func (c *cli) confirm(question string) bool {
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	answer, _ := c.in.ReadString('\n')
	if !strings.HasSuffix(answer, "\n") {
		fmt.Fprintln(c.err)
	}
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
