/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which word may be meant by one that is misspelt. */
#ifndef CF_SUGGEST_H
#define CF_SUGGEST_H

/* The word of @words (ending with NULL) that is most like @word, or that it is
 * a beginning of; NULL if none is. */
const char *suggest(const char *word, const char *const *words);

#endif /* CF_SUGGEST_H */
