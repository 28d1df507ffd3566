"""Links mentions with pictures: compares the texts and the pictures of mentions and of entities."""
